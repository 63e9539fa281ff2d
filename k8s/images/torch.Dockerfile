# syntax=docker/dockerfile:1
# What links libtorch: language, vision, `fondue index` and `fondue model`; and the model that ships. The same programs with a
# libtorch for the CPU, or for CUDA:
#   docker build --file k8s/images/torch.Dockerfile --target cpu  --tag fondue-torch:0.1.0 .
#   docker build --file k8s/images/torch.Dockerfile --target cuda --tag fondue-torch:0.1.0-cuda .
ARG RUST=1.89

# The versions are those of xtask/src/libtorch.rs.
FROM python:3.11-slim-bookworm AS wheels
RUN pip install --no-cache-dir --no-deps --only-binary=:all: --target /wheels \
    torch==2.13.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85

# What a CPU needs, headers included.
FROM wheels AS libtorch
WORKDIR /libtorch/torch/lib
RUN cp --archive /wheels/torch/lib/libtorch.so /wheels/torch/lib/libtorch_cpu.so /wheels/torch/lib/libc10.so \
    /wheels/torch/lib/libgomp* . \
 && cp --archive /wheels/torch/include .. \
 && cp --archive /wheels/nvidia /libtorch/

# What CUDA needs beside: the wheels that torch asks for.
FROM wheels AS libtorch-cuda
RUN pip install --no-cache-dir --only-binary=:all: --target /cuda torch==2.13.0 \
 && mkdir --parents /libtorch/torch \
 && mv /cuda/torch/lib /libtorch/torch/ \
 && mv /cuda/nvidia /libtorch/

FROM rust:${RUST}-slim-bookworm AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends g++ make \
 && rm -rf /var/lib/apt/lists/*
# Programs look for libtorch where it lay when they were built.
COPY --from=libtorch /libtorch/ /opt/libtorch/
ENV LIBTORCH=/opt/libtorch/torch
WORKDIR /src
# Told by fondue_build_info: --build-arg COMMIT=$(git rev-parse --short HEAD)
ARG COMMIT=unknown
ENV FONDUE_COMMIT=$COMMIT
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p fondue-language -p fondue-vision -p fondue-embed -p fondue-checkpoint \
    -p fondue-drawings -p fondue-launch \
 && install -D --strip --target-directory /out \
    target/release/fondue target/release/fondue-language target/release/fondue-vision target/release/fondue-index \
    target/release/fondue-model target/release/fondue-drawings

FROM debian:bookworm-slim AS programs
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libstdc++6 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/ /usr/local/bin/
COPY assets/model/ /opt/fondue/model/
COPY LICENSE /usr/share/doc/fondue/
USER 65532:65532
CMD ["fondue", "--help"]

FROM programs AS cuda
COPY --from=libtorch-cuda /libtorch/ /opt/libtorch/
# Read by NVIDIA's container toolkit, which brings the driver's libraries.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM programs AS cpu
COPY --from=libtorch /libtorch/torch/lib/ /opt/libtorch/torch/lib/
COPY --from=libtorch /libtorch/nvidia/cu13/lib/ /opt/libtorch/nvidia/cu13/lib/
