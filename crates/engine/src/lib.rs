//! Owner threads of the models: batching, queues, cancellation.
