//! Why a page can't be fetched.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

/// What went wrong with one request.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// Only http and https are supported here.
    Scheme(String),
    /// The URL does not fit into a request.
    Request(hyper::http::Error),
    Connect(io::Error),
    Tls(io::Error),
    Http(hyper::Error),
    TimedOut(Duration),
    /// The body is in a content coding that is not decoded here.
    Encoded(String),
    /// The body does not match its content coding.
    Garbled(&'static str, io::Error),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Scheme(scheme) => {
                write!(f, "{scheme} is not supported, http and https only")
            }
            FetchError::Request(error) => write!(f, "no request can be made of the URL: {error}"),
            FetchError::Connect(error) => write!(f, "can't connect: {error}"),
            FetchError::Tls(error) => write!(f, "no secure connection: {error}"),
            FetchError::Http(error) => {
                write!(f, "{error}")?;
                let mut cause = error.source();
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
            FetchError::TimedOut(limit) => write!(f, "not done within {limit:?}"),
            FetchError::Encoded(coding) => write!(f, "encoded as {coding}, which nobody asked for"),
            FetchError::Garbled(coding, error) => {
                write!(f, "not the {coding} it says it is: {error}")
            }
        }
    }
}

impl Error for FetchError {}
