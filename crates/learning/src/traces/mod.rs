//! Recorded arrivals: requests a tick, client by client.
