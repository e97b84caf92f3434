async fn selects() {
    heist_macros::select_branches! { heist
        number = async { 1 },
    }
}

fn main() {}
