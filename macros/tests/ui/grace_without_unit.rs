#[heist_macros::main(shutdown_grace = "5")]
async fn main() {}
