#[heist_macros::main(crate = "stand_in")]
async fn main() -> Result<(), std::io::Error> {
    println!("no value");
}

mod stand_in {
    pub mod runtime {
        pub struct Builder;

        impl Builder {
            pub fn new_multi_thread() -> Self {
                Self
            }

            pub fn build(&mut self) -> Result<Self, ()> {
                Ok(Self)
            }

            pub fn block_on<F: Future>(&self, _: F) -> F::Output {
                unimplemented!()
            }
        }
    }
}
