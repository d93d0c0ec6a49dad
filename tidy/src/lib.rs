//! Checks the sources of the shipped crates and of the lab: sizes, circles and layers.
//!
//! 1. No file has more than 400 lines before its tests, no function more than 70.
//! 2. No circle of files in the engine, nor in the `replay` of the command and of the lab. Two files in a circle
//!    can only be understood together. A parent module may use its children; a child that uses what its parent's
//!    file defines makes a circle with it if the parent uses the child, too, and none if the parent only declares
//!    it or shows its names to others.
//! 3. No circle between folders, at any depth. A folder is a module with all that is below it; modules beside one
//!    another are compared, their parent's own file is not.
//! 4. Layers: each list in [`layers`] orders modules beside one another, the highest first. A module uses only
//!    what stands below it. Modules of one row do not use one another.
//!
//! What is not yet so stands in [`layers::NOT_YET`] and [`layers::TOO_LONG`]; they can only shrink, since an entry
//! without need fails.

pub mod graph;
pub mod layers;
pub mod rules;
pub mod source;
pub mod tokens;
