async fn selects() {
    heist_macros::select_branches! { heist
        else => (),
        () = async {} => (),
    }
}

fn main() {}
