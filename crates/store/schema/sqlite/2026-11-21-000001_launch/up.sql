-- How a server was launched, as the Nova that it was imported from recorded it.
ALTER TABLE servers ADD COLUMN launch TEXT;
