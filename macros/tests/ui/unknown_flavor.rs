#[heist_macros::main(flavor = "threaded")]
async fn main() {}
