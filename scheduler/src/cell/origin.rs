//! Where a task was spawned and, if it was given one, its name: one word of the header.
//!
//! The word is a pointer to the static location. If its lowest bit is set, it is a pointer to a box with location and
//! name. So for a task without a name, names cost only a look at that bit when its memory is freed.

use std::fmt;
use std::panic::Location;
use std::ptr::NonNull;

/// The bit that distinguishes a box from a location.
const NAMED: usize = 1;

const _: () = assert!(align_of::<Location<'static>>() > NAMED && align_of::<Named>() > NAMED);

/// Where a task was spawned, and its name.
pub struct Origin(NonNull<()>);

struct Named {
    location: &'static Location<'static>,
    name: Box<str>,
}

// SAFETY: what it points to is never written again, and both a location and a `Named` are `Send` and `Sync`.
unsafe impl Send for Origin {}
// SAFETY: as for `Send`.
unsafe impl Sync for Origin {}

impl Origin {
    /// The caller's location, without a name.
    #[track_caller]
    #[inline]
    pub fn caller() -> Self {
        Self(NonNull::from(Location::caller()).cast())
    }

    /// The caller's location, and perhaps a name.
    #[track_caller]
    pub fn with_name(name: Option<&str>) -> Self {
        let Some(name) = name else {
            return Self::caller();
        };
        let named = Box::new(Named {
            location: Location::caller(),
            name: name.into(),
        });
        let pointer = NonNull::from(Box::leak(named)).cast::<()>();
        Self(pointer.map_addr(|address| address | NAMED))
    }

    /// The box, if this is one.
    fn boxed(&self) -> Option<NonNull<Named>> {
        let address = self.0.addr().get();
        // SAFETY: this is an address of a `Named`. The alignment of that type leaves the bit clear, so the address
        // isn't null without the bit.
        let untagged = |_| unsafe { std::num::NonZeroUsize::new_unchecked(address & !NAMED) };
        (address & NAMED != 0).then(|| self.0.map_addr(untagged).cast())
    }

    pub(super) fn location(&self) -> &'static Location<'static> {
        match self.boxed() {
            // SAFETY: the box of `with_name`, which lives as long as this.
            Some(named) => unsafe { named.as_ref() }.location,
            // SAFETY: made from a static reference in `caller`.
            None => unsafe { self.0.cast().as_ref() },
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        // SAFETY: the box of `with_name`, which lives as long as this.
        self.boxed().map(|named| &*unsafe { named.as_ref() }.name)
    }
}

impl Drop for Origin {
    #[inline]
    fn drop(&mut self) {
        if let Some(named) = self.boxed() {
            // SAFETY: the box of `with_name`, which only this origin points to.
            drop(unsafe { Box::from_raw(named.as_ptr()) });
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin")
            .field("name", &self.name())
            .field("location", self.location())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn an_origin_is_one_word_and_gives_back_what_it_was_made_of() {
        assert_eq!(size_of::<Origin>(), size_of::<usize>());
        let (bare, named) = (Origin::caller(), Origin::with_name(Some("a name")));
        assert_eq!((bare.name(), named.name()), (None, Some("a name")));
        for origin in [&bare, &named] {
            assert_eq!(origin.location().file(), file!());
        }
        assert_eq!(bare.location().line(), named.location().line());
        assert_eq!(Origin::with_name(Some("")).name(), Some(""));
        assert_eq!(Origin::with_name(None).name(), None);
    }
}
