//! What the vision engine measures.

use fondue_domain::measure::Measure;

/// All of it.
pub const VISION_MEASURES: &[Measure] = &[
    Measure::counter("fondue_vision_pictures_total", "Pictures that were asked for"),
    Measure::counter("fondue_vision_cache_pictures_total", "Pictures that were known, under way, or neither")
        .by("outcome", &["hit", "joined", "miss"]),
    Measure::gauge("fondue_vision_cache_bytes", "Memory that kept features take"),
    Measure::gauge(
        "fondue_vision_decoded_bytes",
        "Memory that pictures take that are decoded or being decoded",
    ),
    Measure::gauge(QUEUED, "Pictures that wait, for a decode worker or for the tower")
        .by("for", &["decode", "tower"]),
    Measure::histogram(
        "fondue_vision_queue_seconds",
        "Time that a picture waits, for a worker and for the tower",
    ),
    Measure::histogram("fondue_vision_decode_seconds", "Time of decoding and resizing one picture"),
    Measure::histogram("fondue_vision_encode_seconds", "Time of one batch in the tower"),
    Measure::histogram("fondue_vision_batch_pictures", "Pictures of a batch"),
    Measure::histogram("fondue_vision_batch_occupancy_ratio", "Pictures of a batch, as a share of the most"),
];

const QUEUED: &str = "fondue_vision_queued_pictures";

/// How many wait now.
pub(super) fn queued(to_decode: usize, ready: usize) {
    metrics::gauge!(QUEUED, "for" => "decode").set(to_decode as f64);
    metrics::gauge!(QUEUED, "for" => "tower").set(ready as f64);
}
