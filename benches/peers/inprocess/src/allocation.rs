//! Counts the bytes that are allocated now, so that what a key costs is exact
//! and not a matter of pages.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTED: Counted = Counted;

/// The system's allocator.
struct Counted;

/// Bytes that are allocated now.
pub(crate) fn live_bytes() -> usize {
    LIVE_BYTES.load(Ordering::Relaxed)
}

fn grow(bytes: usize) {
    LIVE_BYTES.fetch_add(bytes, Ordering::Relaxed);
}

fn shrink(bytes: usize) {
    LIVE_BYTES.fetch_sub(bytes, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "an allocator can't be written without; it only counts and passes on")]
// SAFETY: each method passes its arguments on to the system's allocator, whose
// promises are those asked for here.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        shrink(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grow(size);
        shrink(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[test]
fn bytes_are_counted() {
    // More than all other tests hold together.
    const SIZE: usize = 1 << 28;
    let before = live_bytes();
    let mut held: Vec<u8> = Vec::with_capacity(SIZE);
    assert!(live_bytes() > before + SIZE / 2);
    held.push(1);
    held.shrink_to_fit();
    assert!(live_bytes() < before + SIZE / 2);
}
