#[heist_macros::main(shutdown_grace = "1.5s")]
async fn main() -> Result<(), std::io::Error> {
    std::fs::metadata("/")?;
    Ok(())
}
