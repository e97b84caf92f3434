//! No runtime: a thread with an epoll loop, written for one purpose. What a runtime adds to that is its price.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;

use rustix::event::epoll;

const LISTENER: u64 = u64::MAX;

/// Starts a server that sends back what it reads.
pub(crate) fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || serve(&listener));
    address
}

fn serve(listener: &TcpListener) {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let add = |fd: &dyn std::os::fd::AsFd, token| {
        let data = epoll::EventData::new_u64(token);
        epoll::add(&poll, fd.as_fd(), data, epoll::EventFlags::IN).unwrap();
    };
    add(listener, LISTENER);
    let mut streams: HashMap<u64, TcpStream> = HashMap::new();
    let mut buffer = [0; 8192];
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None).unwrap();
        for event in &events {
            let token = event.data.u64();
            if token == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true).unwrap();
                    stream.set_nodelay(true).unwrap();
                    let token = stream.as_raw_fd() as u64;
                    add(&stream, token);
                    streams.insert(token, stream);
                }
                continue;
            }
            let Some(mut stream) = streams.get(&token) else {
                continue;
            };
            match stream.read(&mut buffer) {
                Ok(length @ 1..) => stream.write_all(&buffer[..length]).unwrap(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => drop(streams.remove(&token)),
            }
        }
    }
}

/// Starts a server that sends datagrams back.
pub(crate) fn udp() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let data = epoll::EventData::new_u64(0);
        epoll::add(&poll, &socket, data, epoll::EventFlags::IN).unwrap();
        let mut buffer = [0; 2048];
        let mut events = Vec::with_capacity(1);
        loop {
            events.clear();
            epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None).unwrap();
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                socket.send_to(&buffer[..length], from).unwrap();
            }
        }
    });
    address
}
