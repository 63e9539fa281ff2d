# syntax=docker/dockerfile:1
# What links no libtorch: gateway, retrieval, `fondue`.
#   docker build --file k8s/images/plain.Dockerfile --tag fondue-plain:0.1.0 .
ARG RUST=1.89

FROM rust:${RUST}-slim-bookworm AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends g++ make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# Told by fondue_build_info: --build-arg COMMIT=$(git rev-parse --short HEAD)
ARG COMMIT=unknown
ENV FONDUE_COMMIT=$COMMIT
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p fondue-gateway -p fondue-retrieval -p fondue-launch \
 && install -D --strip --target-directory /out \
    target/release/fondue target/release/fondue-gateway target/release/fondue-retrieval

FROM debian:bookworm-slim
# The gateway fetches pictures over TLS, where it is told to.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/ /usr/local/bin/
COPY LICENSE /usr/share/doc/fondue/
USER 65532:65532
CMD ["fondue", "--help"]
