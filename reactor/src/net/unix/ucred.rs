//! Who is at the other end of a Unix socket.

/// The number of a user.
#[allow(non_camel_case_types)]
pub type uid_t = u32;

/// The number of a group.
#[allow(non_camel_case_types)]
pub type gid_t = u32;

/// The number of a process.
#[allow(non_camel_case_types)]
pub type pid_t = i32;

/// The user, group and process that connected a Unix socket. See [`UnixStream::peer_cred`](crate::net::UnixStream::peer_cred).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UCred {
    pub(super) pid: Option<pid_t>,
    pub(super) uid: uid_t,
    pub(super) gid: gid_t,
}

impl UCred {
    /// The number of the user.
    pub fn uid(&self) -> uid_t {
        self.uid
    }

    /// The number of the group.
    pub fn gid(&self) -> gid_t {
        self.gid
    }

    /// The number of the process. `None` where the system doesn't tell, or can't see the process from here.
    pub fn pid(&self) -> Option<pid_t> {
        self.pid
    }
}
