#![doc = "[loading.md]: loading"]
#![doc = "[coherence.md]: coherence"]
#![doc = ""]
#![doc = include_str!("../docs/guide.md")]

// The links above come before those at the page's foot, so they win here; in the repository the
// page's own lead to the files.

pub mod loading {
    #![doc = "[guide.md]: super#load-what-is-missing"]
    #![doc = ""]
    #![doc = include_str!("../docs/loading.md")]
}

pub mod coherence {
    #![doc = "[guide.md]: super#memory-in-front-of-redis"]
    #![doc = ""]
    #![doc = include_str!("../docs/coherence.md")]
}
