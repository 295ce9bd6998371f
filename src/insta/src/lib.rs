//! Nothing: brush-parser names insta among what it needs, but uses it in its own tests alone.
