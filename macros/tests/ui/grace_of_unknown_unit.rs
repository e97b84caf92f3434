#[heist_macros::main(shutdown_grace = "5 hours")]
async fn main() {}
