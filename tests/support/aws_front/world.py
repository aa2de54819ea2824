"""What the front knows besides moto, and how it is set to behave."""

import time
from dataclasses import dataclass, field

# Quotas of a new account, by Service Quotas' own codes: service, name, value.
QUOTAS = {
    "L-1216C47A": ("ec2", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 1024.0),
    "L-34B43A08": ("ec2", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 1024.0),
    "L-0263D0A3": ("ec2", "EC2-VPC Elastic IPs", 20.0),
    "L-F678F1CE": ("vpc", "VPCs per Region", 5.0),
    "L-69A177A2": ("elasticloadbalancing", "Network Load Balancers per Region", 50.0),
}


@dataclass
class Settings:
    """How the front behaves; every one can be set through the control endpoint."""

    settle_polls: int = 2
    """Describe calls that see a thing on its way (pending, shutting-down) before it has arrived ..."""
    settle_seconds: float = 1.0
    """... or seconds, whichever comes first."""
    iam_seconds: float = 0.0
    """Seconds until EC2 knows a new instance profile."""
    lag_polls: int = 0
    """Describe calls by id for which a new instance is not found yet: AWS is consistent in the end."""
    credentials: str = "valid"
    """`valid`, `invalid` or `expired`."""
    clock_offset: float = 0.0
    """Seconds that AWS's clock is ahead of ours."""
    capacity: list = field(default_factory=list)
    """Where there is none: `{"zone": "us-east-1a", "type": "c5.large"}`, either may be left out."""
    not_offered: list = field(default_factory=list)
    """Types that a zone does not have: same form."""
    quotas: dict = field(default_factory=lambda: {code: value for code, (_, _, value) in QUOTAS.items()})


@dataclass
class Passage:
    """A thing on its way to a state."""

    arrive: object
    """Called once, when it is there."""
    polls: int
    until: float


class World:
    """All of it; `reset` starts anew."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.settings = Settings()
        self.tokens = {}
        self.faults = []
        self.log = []
        self.passages = {}
        self.placement_groups = {}
        self.profiles = {}
        self.lagging = {}
        self.lingering = []

    @staticmethod
    def now():
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def on_its_way(self, identifier, arrive):
        """Lets a thing take its time."""
        settings = self.settings
        if settings.settle_polls <= 0:
            arrive()
            return
        self.passages[identifier] = Passage(arrive, settings.settle_polls, time.monotonic() + settings.settle_seconds)

    def tick(self, polled=lambda _identifier: False):
        """Lets things arrive: those whose time has come, and those that were looked at often enough."""
        now = time.monotonic()
        for identifier, passage in list(self.passages.items()):
            if polled(identifier):
                passage.polls -= 1
            if passage.polls < 0 or now >= passage.until:
                del self.passages[identifier]
                passage.arrive()
        self.lingering = [held for held in self.lingering if now < held["until"]]
