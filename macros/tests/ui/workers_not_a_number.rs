#[heist_macros::main(worker_threads = "two")]
async fn main() {}
