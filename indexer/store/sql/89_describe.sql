-- Comments of the columns of views, from what the files after this one say of them: by `view.column`, else by `column`.
-- A column without a word is an error that names it. Of the installing session alone.
CREATE OR REPLACE FUNCTION pg_temp.describe(views text[], described jsonb) RETURNS void
LANGUAGE plpgsql AS $describe$
DECLARE
    entry record;
    words text;
BEGIN
    FOR entry IN
        SELECT c.relname AS view_name, a.attname AS column_name
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relkind = 'v' AND c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (views)
    LOOP
        words := coalesce(described ->> (entry.view_name || '.' || entry.column_name), described ->> entry.column_name);
        IF words IS NULL THEN
            RAISE EXCEPTION 'column %.% has no comment in store/sql/9*_comments*.sql', entry.view_name, entry.column_name;
        END IF;
        EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', entry.view_name, entry.column_name, words);
    END LOOP;
END $describe$;
