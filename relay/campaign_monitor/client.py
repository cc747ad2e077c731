"""Campaign Monitor's API v3.3, as far as the relay needs it.

All methods raise RetryLater (Throttled for 429), NeedsPerson or Refused with Campaign Monitor's own code; see errors.
"""

from relay.campaign_monitor.lists import Accounts, Fields, Lists, Webhooks
from relay.campaign_monitor.people import People
from relay.campaign_monitor.segments import Segments

BASE_URL = "https://api.createsend.com/api/v3.3"


class CampaignMonitor(Accounts, Lists, Fields, Segments, People, Webhooks):
    """One connection's calls; made as `http.Caller` says."""
