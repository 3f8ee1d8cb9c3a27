"""Between the directory's messages and its entries. No rule lives here."""

from calldock.intake.v1.directory_pb2 import Campaign, Employee, Site, Source, Tag, VisitorSession

from services.intake import directory_entry


def read_tag(message: Tag) -> directory_entry.Tag:
    """A tag as it came."""
    return directory_entry.Tag(tag_id=message.tag_id, name=message.name)


def tag_message(tag: directory_entry.Tag) -> Tag:
    """A stored tag."""
    return Tag(tag_id=tag.tag_id, name=tag.name, is_system=tag.is_system)


def read_employee(message: Employee) -> directory_entry.Employee:
    """An employee as they came."""
    return directory_entry.Employee(employee_id=message.employee_id, full_name=message.full_name)


def employee_message(employee: directory_entry.Employee) -> Employee:
    """A stored employee."""
    return Employee(employee_id=employee.employee_id, full_name=employee.full_name)


def read_site(message: Site) -> directory_entry.Site:
    """A site as it came."""
    return directory_entry.Site(site_id=message.site_id, name=message.name, phone_numbers=tuple(message.phone_numbers))


def site_message(site: directory_entry.Site) -> Site:
    """A stored site."""
    return Site(site_id=site.site_id, name=site.name, phone_numbers=site.phone_numbers)


def read_campaign(message: Campaign) -> directory_entry.Campaign:
    """A campaign as it came; active unless it says otherwise."""
    is_active = message.is_active if message.HasField("is_active") else True
    return directory_entry.Campaign(campaign_id=message.campaign_id, name=message.name, is_active=is_active)


def campaign_message(campaign: directory_entry.Campaign) -> Campaign:
    """A stored campaign."""
    return Campaign(campaign_id=campaign.campaign_id, name=campaign.name, is_active=campaign.is_active)


def read_source(message: Source) -> directory_entry.Source:
    """A source as it came."""
    return directory_entry.Source(source_id=message.source_id, name=message.name)


def source_message(source: directory_entry.Source) -> Source:
    """A stored source."""
    return Source(source_id=source.source_id, name=source.name)


def read_session(message: VisitorSession) -> directory_entry.VisitorSession:
    """A visitor session as it came."""
    return directory_entry.VisitorSession(
        visitor_session_id=message.visitor_session_id,
        site_id=message.site_id if message.HasField("site_id") else None,
        campaign_id=message.campaign_id if message.HasField("campaign_id") else None,
        source_id=message.source_id if message.HasField("source_id") else None,
    )


def session_message(session: directory_entry.VisitorSession) -> VisitorSession:
    """A stored visitor session."""
    return VisitorSession(
        visitor_session_id=session.visitor_session_id,
        site_id=session.site_id,
        campaign_id=session.campaign_id,
        source_id=session.source_id,
    )
