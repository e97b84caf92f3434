#[heist_macros::test]
async fn adds(number: u32) {
    println!("{number}");
}

fn main() {}
