# augan on processors: docker build -t augan . && docker run --rm -v "$PWD:/work" augan train photos/ --out runs/mine
FROM python:3.11-slim

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 AUGAN_CACHE=/tmp/augan
WORKDIR /opt/augan

# The versions that the tests run with; PyTorch's builds for processors are a fifth of the size of those for GPUs.
COPY constraints.txt ./
RUN pip install --index-url https://download.pytorch.org/whl/cpu --constraint constraints.txt torch

COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --constraint constraints.txt '.[demo,features,parquet,video,export,hub]'

RUN useradd --create-home augan && mkdir /work && chown augan /work
USER augan
WORKDIR /work
ENTRYPOINT ["augan"]
CMD ["demo"]
