#[heist_macros::main(name = " ")]
async fn main() {}
