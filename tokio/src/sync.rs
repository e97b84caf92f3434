//! Channels and locks. See heist's module `sync`.

pub use heist::sync::*;

pub mod mpsc {
    //! Channels to one receiver. See heist's module `mpsc`.

    pub use heist::sync::mpsc::*;

    pub mod error {
        //! The errors of channels to one receiver.

        pub use heist::sync::mpsc::error::*;
        use std::fmt;

        /// Nothing returns it.
        #[doc(hidden)]
        #[deprecated(note = "`recv` returns an `Option`")]
        #[derive(Debug, Clone)]
        pub struct RecvError(());

        #[allow(deprecated)]
        impl fmt::Display for RecvError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the channel is closed")
            }
        }

        #[allow(deprecated)]
        impl std::error::Error for RecvError {}
    }
}
