//! Counts the bytes in use of the whole process. What is resident says less: allocators keep what was freed, at times some dozen
//! megabytes, and sanitizers keep much of it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, and how many bytes are in use.
struct Counting(AtomicUsize);

#[global_allocator]
static ALLOCATOR: Counting = Counting(AtomicUsize::new(0));

// SAFETY: each call is the system allocator's own, which keeps what is promised.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller of `alloc` promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.0.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller of `dealloc` promises.
        unsafe { System.dealloc(block, layout) }
    }
}

pub(crate) fn in_use() -> usize {
    ALLOCATOR.0.load(Ordering::Relaxed)
}
