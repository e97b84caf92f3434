#[heist_macros::main(shutdown_grace = "1.5s")]
async fn main() {}
