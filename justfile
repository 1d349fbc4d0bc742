# Shortcuts; nothing needs them.

# The recipes
default:
    @just --list

# Exactly what must hold before a change lands
check:
    .ci/run

# The quick part of it: no service, no network
test:
    cargo fmt --check
    cargo clippy --locked --all-targets --all-features -- -D warnings
    cargo test --locked

# The fuzz targets, led by coverage, for so many seconds together
fuzz seconds="3600":
    fuzz/run {{seconds}}

# The main job on embedded parts
demo:
    cargo run --release -- demo

# weir with Kafka, an S3 store and Prometheus
up:
    docker compose up --build --wait

# Ends them; their data stays in volumes
down:
    docker compose down

# Licences, duplicates and sources of the dependencies (needs cargo-deny)
deny:
    cargo deny check licenses bans sources
