#[heist_macros::test(start_paused = "yes")]
async fn waits() {}

fn main() {}
