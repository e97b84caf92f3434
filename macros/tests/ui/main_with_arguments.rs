#[heist_macros::main]
async fn main(number: u32) {
    println!("{number}");
}
