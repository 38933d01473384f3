//! Models signed, stored and fetched: an OCI image layout in a folder, or a registry.
