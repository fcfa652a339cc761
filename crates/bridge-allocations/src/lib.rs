//! Counts a test's heap allocations, by thread: what the test harness takes meanwhile does not count.
//!
//! For tests only. A test declares the allocator, then looks at the difference:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: bridge_allocations::Counting = bridge_allocations::Counting;
//!
//! let before = bridge_allocations::count();
//! let boxed = Box::new(7);
//! assert_eq!(bridge_allocations::count() - before, 1);
//! # drop(boxed);
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counted.
#[derive(Clone, Copy, Debug)]
pub struct Counting;

/// How often this thread took memory from the heap so far, growth included. Stays 0 unless
/// [`Counting`] is the process's allocator.
pub fn count() -> u64 {
    ALLOCATIONS.get()
}

#[expect(unsafe_code, reason = "an allocator is unsafe by nature; this one only forwards")]
// SAFETY: every call is forwarded unchanged to the system's allocator; `realloc` and `alloc_zeroed`
// are the trait's own, which call these.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

thread_local! {
    /// Needs no destructor and no memory of its own, so it is there whenever an allocator is.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}
