//! Which files share a layer: however layers are cut, the tree that they come to is the same.

mod auto;
mod random;
