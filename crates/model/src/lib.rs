//! FROMAGe's networks in tch: CLIP vision tower, OPT, mapping layers, tokenizer, sampler.
