//! The place where messages lie between a sender and the receiver: blocks of slots, linked in the order of sending.
//!
//! A block knows nothing of positions and turns; `chan` says who may touch which slot when. The rule for a slot itself:
//!
//! 1. The sender that claimed a slot's position writes it, once a lap, and then sets `ready`. From then on the slot is
//!    the receiver's, which moves the value out and clears `ready`. A block is reused with all slots clear.
//!
//! # Orderings
//!
//! `ready` is set with Release and read with Acquire. It gives the value away.

use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use crate::sys::atomic::{AtomicBool, AtomicPtr, Ordering};
use crate::sys::cell::UnsafeCell;

/// Slots in a block: enough that changing blocks costs little for each message, and few enough for a small channel.
pub(super) const BLOCK: u64 = if cfg!(heist_loom) { 2 } else { 32 };

pub(super) struct Block<T> {
    /// The block that follows. The sender that claims the last slot sets it before it fills that slot.
    pub(super) next: AtomicPtr<Block<T>>,
    slots: [Slot<T>; BLOCK as usize],
}

struct Slot<T> {
    ready: AtomicBool,
    value: UnsafeCell<MaybeUninit<T>>,
}

impl<T> Block<T> {
    /// Makes an empty block. It is made in place, however large `T` is.
    pub(super) fn allocate() -> NonNull<Self> {
        let block = Box::into_raw(Box::<Self>::new_uninit()).cast::<Self>();
        // SAFETY: the allocation is ours, and each field is written in place: `next` and `ready` by value, and the cell
        // by its own function, for which any bytes will do.
        unsafe {
            ptr::addr_of_mut!((*block).next).write(AtomicPtr::new(ptr::null_mut()));
            for i in 0..BLOCK as usize {
                let slot = ptr::addr_of_mut!((*block).slots[i]);
                ptr::addr_of_mut!((*slot).ready).write(AtomicBool::new(false));
                UnsafeCell::init_empty(ptr::addr_of_mut!((*slot).value));
            }
            NonNull::new_unchecked(block)
        }
    }

    /// Frees a block. Values in it are not dropped.
    ///
    /// # Safety
    ///
    /// It comes from [`allocate`](Self::allocate), and nobody else touches it any more.
    pub(super) unsafe fn free(block: NonNull<Self>) {
        // SAFETY: the caller's promise; `allocate` made it as a box.
        drop(unsafe { Box::from_raw(block.as_ptr()) });
    }

    /// Fills a slot. The block may be gone after that.
    ///
    /// # Safety
    ///
    /// The block is alive, and the caller has claimed this slot and fills it once.
    pub(super) unsafe fn fill(block: NonNull<Self>, offset: u64, value: T) {
        // SAFETY: it is alive until the slot is filled. The receiver frees it only after that.
        let slot = unsafe { &(*block.as_ptr()).slots[offset as usize] };
        slot.value.with_mut(|cell| {
            // SAFETY: the slot is the caller's until `ready` is set.
            unsafe { (*cell).write(value) };
        });
        // Ordering: Release pairs with the Acquire in `empty`, so that the receiver sees the value.
        slot.ready.store(true, Ordering::Release);
    }

    /// Whether a slot is filled, as the receiver sees it. If so, the value can be moved out.
    pub(super) fn is_ready(&self, offset: u64) -> bool {
        // Ordering: Acquire pairs with the Release in `fill`.
        self.slots[offset as usize].ready.load(Ordering::Acquire)
    }

    /// Moves the value out of a slot, if it is filled.
    ///
    /// # Safety
    ///
    /// The caller is the only receiver, and has not emptied this slot in this lap yet.
    pub(super) unsafe fn empty(&self, offset: u64) -> Option<T> {
        let slot = &self.slots[offset as usize];
        // Ordering: Acquire pairs with the Release in `fill`.
        if !slot.ready.load(Ordering::Acquire) {
            return None;
        }
        let value = slot.value.with_mut(|cell| {
            // SAFETY: `ready` gave the slot, with a value in it, to the receiver. Clearing it below keeps the value
            // from being read twice.
            unsafe { (*cell).assume_init_read() }
        });
        // Ordering: hint only. A sender gets the slot again only through the block's reuse, which is ordered.
        slot.ready.store(false, Ordering::Relaxed);
        Some(value)
    }
}
