# weir as an image: one binary on Debian, not as root.
#   docker build --build-arg REVISION="$(git rev-parse --short HEAD)" -t weir .

# The version of rust-toolchain.toml, which itself stays outside.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
# The image has what the build needs beside Rust: C and C++ compilers, make, perl.
# .dockerignore names what goes in.
COPY . .
ARG REVISION=unknown
# The folders that a build leaves are kept between builds, and the binary is taken out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    WEIR_REVISION="$REVISION" cargo build --release --locked --bin weir \
    && install -D target/release/weir /out/weir

FROM debian:12.11-slim
# Certificates for brokers and stores behind TLS; bash, for the health check, is there.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/weir --create-home weir
COPY --from=build /out/weir /usr/local/bin/weir
COPY docker/get /usr/local/bin/get
USER weir
WORKDIR /var/lib/weir
VOLUME /var/lib/weir
ENV WEIR_CONFIG=/etc/weir/weir.toml
EXPOSE 9464
STOPSIGNAL SIGTERM
# Alive, not ready: a broker that is away is no reason to start weir anew.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["get", "9464", "/livez"]
ENTRYPOINT ["weir"]
CMD ["run"]
