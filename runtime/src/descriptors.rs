//! Closes what a process was handed by whoever started it.
#![allow(unsafe_code, reason = "the standard library closes only descriptors that it has opened")]

use std::os::fd::RawFd;

/// Closes all descriptors but stdin, stdout and stderr.
///
/// Must be called before this process has opened anything of its own.
pub(crate) fn close_inherited() {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers = open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
    // Collected first: reading the folder takes a descriptor, which has gone again before any is closed.
    let listed: Vec<RawFd> = numbers.filter(|number| *number > 2).collect();
    let is_open = |number: &RawFd| std::fs::read_link(format!("/proc/self/fd/{number}")).is_ok();
    for number in listed.into_iter().filter(is_open) {
        // SAFETY: it is open, and the caller has opened nothing yet, so no value in this process owns it.
        unsafe { rustix::io::close(number) };
    }
}
