//! Look-ups of names. All of them can be answered without a network.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use heist::event_loop::{AddressFamily, Hints, NameFlags, SocketKind};

use super::on_each;

#[test]
fn an_address_needs_no_look_up() {
    on_each(|event_loop| {
        let hints = Hints {
            kind: Some(SocketKind::Stream),
            numeric_host: true,
            numeric_service: true,
            ..Hints::default()
        };
        for (host, family) in [("127.0.0.1", AddressFamily::V4), ("::1", AddressFamily::V6)] {
            let found = event_loop
                .run_until_complete(event_loop.getaddrinfo(Some(host), Some("80"), hints))
                .unwrap()
                .unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].kind, Some(SocketKind::Stream));
            let address = host.parse::<IpAddr>().unwrap();
            assert_eq!(found[0].address, SocketAddr::new(address, 80));
            let other = match family {
                AddressFamily::V4 => AddressFamily::V6,
                AddressFamily::V6 => AddressFamily::V4,
            };
            let hints = Hints {
                family: Some(other),
                ..hints
            };
            let none = event_loop
                .run_until_complete(event_loop.getaddrinfo(Some(host), Some("80"), hints))
                .unwrap();
            assert!(none.is_err());
        }
        let name =
            event_loop.run_until_complete(event_loop.getaddrinfo(Some("localhost"), None, hints));
        assert_eq!(name.unwrap().unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_host_to_listen_at_is_any_address() {
    on_each(|event_loop| {
        let hints = Hints {
            family: Some(AddressFamily::V4),
            kind: Some(SocketKind::Stream),
            passive: true,
            ..Hints::default()
        };
        let found = event_loop
            .run_until_complete(event_loop.getaddrinfo(None, Some("7"), hints))
            .unwrap()
            .unwrap();
        assert_eq!(found[0].address, SocketAddr::from(([0, 0, 0, 0], 7)));
    });
}

#[test]
fn localhost_is_found_in_a_look_up() {
    on_each(|event_loop| {
        let found = event_loop
            .run_until_complete(event_loop.getaddrinfo(
                Some("localhost"),
                Some("80"),
                Hints::default(),
            ))
            .unwrap()
            .unwrap();
        assert!(
            found
                .iter()
                .all(|info| info.address.ip().is_loopback() && info.address.port() == 80)
        );
        assert!(!found.is_empty());
    });
}

#[test]
fn names_of_an_address_are_numbers_where_that_is_asked_for() {
    on_each(|event_loop| {
        let numeric = NameFlags {
            numeric_host: true,
            numeric_service: true,
            ..NameFlags::default()
        };
        let address = "127.0.0.1:65432".parse().unwrap();
        let both = event_loop.run_until_complete(event_loop.getnameinfo(address, numeric));
        assert_eq!(
            both.unwrap().unwrap(),
            ("127.0.0.1".to_owned(), "65432".to_owned())
        );
        let half = NameFlags {
            numeric_service: false,
            ..numeric
        };
        if cfg!(unix) {
            let half = event_loop.run_until_complete(event_loop.getnameinfo(address, half));
            // Nobody has given this port a name.
            assert_eq!(
                half.unwrap().unwrap(),
                ("127.0.0.1".to_owned(), "65432".to_owned())
            );
        }
    });
}

#[test]
fn a_host_with_a_zero_in_it_is_an_error() {
    on_each(|event_loop| {
        let found = event_loop.run_until_complete(event_loop.getaddrinfo(
            Some("a\0b"),
            None,
            Hints::default(),
        ));
        assert!(found.unwrap().is_err());
    });
}
