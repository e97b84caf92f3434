//! heist.
