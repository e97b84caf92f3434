//! The client and the server of the service `Weather`, made by tonic's generator. Its messages are in `tests/ecosystem/tonic.rs`.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let method = |name: &str, route: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type("crate::tonic::Place")
            .output_type("crate::tonic::Report")
            .codec_path("tonic_prost::ProstCodec")
    };
    let service = Service::builder()
        .name("Weather")
        .package("weather")
        .method(method("now", "Now").build())
        .method(method("follow", "Follow").server_streaming().build())
        .method(method("mean", "Mean").client_streaming().build())
        .method(
            method("chat", "Chat")
                .client_streaming()
                .server_streaming()
                .build(),
        )
        .build();
    Builder::new().compile(&[service]);
}
