#[heist_macros::main(flavor = current_thread)]
async fn main() {}
