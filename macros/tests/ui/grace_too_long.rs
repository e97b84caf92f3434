#[heist_macros::main(shutdown_grace = "18446744073709551615m")]
async fn main() {}
