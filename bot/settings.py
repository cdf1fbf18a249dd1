"""Endpoints, secrets and places. Thresholds live with the model that they were chosen for."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DEVELOPMENT_SECRET = "development-only"  # noqa: S105


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="MINDA_", extra="forbid")

    data_dir: Path = Path("data")
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    database_url: str = ""
    """Empty: SQLite in the data folder. PostgreSQL: postgresql+psycopg://user:password@host/name"""
    encoder: str = "offline"
    """"offline", or a folder or hub name that sentence-transformers can load"""
    city: str = "example"
    rasa_url: str = ""
    """Empty: single-turn mode"""
    rasa_timeout_s: float = Field(1.5, gt=0, le=10)
    secret: str = DEVELOPMENT_SECRET
    """Shared with Rasa: header X-Minda-Secret of the internal routes and token of Rasa's webhook"""
    development: bool = False
    promise_days: int = Field(5, ge=1, le=60)
    """Working days within which a person answers"""
    urgent_promise_days: int = Field(1, ge=1, le=10)
    cors_origins: list[str] = []
    encoder_threads: int = Field(2, ge=1, le=64)
    messages_per_minute: int = Field(15, ge=1)

    @model_validator(mode="after")
    def _refuse_default_secret(self) -> Settings:
        open_host = self.host not in ("127.0.0.1", "localhost", "::1")
        if self.secret == DEVELOPMENT_SECRET and open_host and not self.development:
            raise ValueError("对外监听时要设 MINDA_SECRET（run.py 会自动生成）")
        return self

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'minda.db'}"

    @property
    def encoder_dir(self) -> Path:
        return self.data_dir / "encoder"

    @property
    def rasa_project_dir(self) -> Path:
        return self.data_dir / "rasa" / "project"

    @property
    def index_dir(self) -> Path:
        return self.data_dir / "index"

    @property
    def rasa_dir(self) -> Path:
        return self.data_dir / "rasa"
