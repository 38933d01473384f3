//! Models in service.
