#[heist_macros::main(unhandled_panic = "abort")]
async fn main() {}
