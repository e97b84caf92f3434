async fn selects() {
    heist_macros::select_branches! { heist }
}

fn main() {}
