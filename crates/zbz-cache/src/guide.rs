#![doc = "[loading.md]: loading"]
#![doc = "[coherence.md]: coherence"]
#![doc = "[outages.md]: outages"]
#![doc = ""]
#![doc = include_str!("../docs/guide.md")]

// The links above come before those at the page's foot, so they win here; in the repository the
// page's own lead to the files.

pub mod loading {
    #![doc = "[guide.md]: super#load-what-is-missing"]
    #![doc = "[outages.md]: super::outages#loads-go-on"]
    #![doc = ""]
    #![doc = include_str!("../docs/loading.md")]
}

pub mod coherence {
    #![doc = "[guide.md]: super#memory-in-front-of-redis"]
    #![doc = ""]
    #![doc = include_str!("../docs/coherence.md")]
}

pub mod outages {
    #![doc = "[guide.md]: super#when-redis-is-down"]
    #![doc = "[loading.md]: super::loading"]
    #![doc = "[coherence.md]: super::coherence"]
    #![doc = ""]
    #![doc = include_str!("../docs/outages.md")]
}
