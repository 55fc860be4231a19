//! Statics of an image.

/// A static of an image, which needs no lock: an image has one thread.
pub(crate) struct OneThread<T>(pub T);

// SAFETY: the host enters an image from one thread only and never while a call runs, and an image cannot start threads
// (`overrides` refuses it). Outside an image, in test binaries, no code path reaches these statics.
unsafe impl<T> Sync for OneThread<T> {}
