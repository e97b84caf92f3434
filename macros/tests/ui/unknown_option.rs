#[heist_macros::main(threads = 2)]
async fn main() {}
