#[heist_macros::main]
fn main() {}
