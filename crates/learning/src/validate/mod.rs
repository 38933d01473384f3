//! Gates that a model must pass before anybody is limited by it.
