//! What only Windows has.

use std::os::windows::fs::OpenOptionsExt;

use super::OpenOptions;

impl OpenOptions {
    /// Sets `dwDesiredAccess` of `CreateFile`, instead of what the other options ask for.
    pub fn access_mode(&mut self, access: u32) -> &mut OpenOptions {
        self.0.access_mode(access);
        self
    }

    /// Sets `dwShareMode`: what others may do with the file meanwhile. By default they may do everything.
    pub fn share_mode(&mut self, share: u32) -> &mut OpenOptions {
        self.0.share_mode(share);
        self
    }

    /// Adds flags to `dwFlagsAndAttributes`.
    pub fn custom_flags(&mut self, flags: u32) -> &mut OpenOptions {
        self.0.custom_flags(flags);
        self
    }

    /// Sets the attributes of a file that is created.
    pub fn attributes(&mut self, attributes: u32) -> &mut OpenOptions {
        self.0.attributes(attributes);
        self
    }

    /// Sets `dwSecurityQosFlags`: how far a server of a pipe may impersonate this process.
    pub fn security_qos_flags(&mut self, flags: u32) -> &mut OpenOptions {
        self.0.security_qos_flags(flags);
        self
    }
}
